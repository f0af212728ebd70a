/** Planted: monotonic clocks run too fast by a tenth, ten times as much as leases are promised for (PROTOCOLS T2). */
const monotonicMs = performance.now.bind(performance);

performance.now = () => monotonicMs() * 1.1;
