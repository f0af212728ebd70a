/** A client in a process of its own, which a test can kill as an operating system would. */
export interface ClientProcess extends AsyncDisposable {
  /** kill -9. */
  kill(): Promise<void>;
}

/** Sends one request and waits for its reply in another process. */
export function startWaitingClient(method: string, url: string, body?: object): ClientProcess {
  const init = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const script = `await fetch(${JSON.stringify(url)}, ${JSON.stringify(init)}).then((response) => response.text())`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { kill, [Symbol.asyncDispose]: kill };
}
