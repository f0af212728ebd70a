import { ApiError } from "../src/api/errors.ts";

/** Checks one request before anything else of it is looked at. */
export type Guard = (request: Request) => void;

const ipv4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const ipv6 = /^\[[0-9a-f:.]+\]$/;

/**
 * Keeps a page in somebody's browser from driving a node (PROTOCOLS Q4).
 *
 * `Host` must be an address, `localhost` or a name of ours: a page that rebinds its own name to a local address still
 * sends that name. `Origin` must be ours, and `Sec-Fetch-Site` must not come from another site: a simple POST or a
 * GET with effects needs no permission of CORS to arrive.
 *
 * @param allowedHosts names without port, beside IP literals and `localhost`
 */
export function createGuard(allowedHosts: readonly string[]): Guard {
  const allowed = new Set(["localhost", ...allowedHosts.map((host) => host.toLowerCase())]);
  // Nearly all requests name one host.
  let lastGoodHost: string | undefined;
  return (request) => {
    const { headers } = request;
    // HTTP/1.0 has no Host, and no browser speaks it; then the URL has the address that was connected to.
    const host = headers.get("host") ?? hostOf(request.url);
    if (host !== lastGoodHost) {
      if (!isOurs(host, allowed)) {
        throw new ApiError("forbidden", {
          message: "This Host is not one of this node's names.",
          details: { header: "Host" },
        });
      }
      lastGoodHost = host;
    }
    const site = headers.get("sec-fetch-site");
    if (site !== null && site !== "same-origin" && site !== "none") {
      throw new ApiError("forbidden", {
        message: "Pages of other sites may not ask this node.",
        details: { header: "Sec-Fetch-Site" },
      });
    }
    const origin = headers.get("origin");
    if (origin !== null && origin !== `http://${host}` && origin !== `https://${host}`) {
      throw new ApiError("forbidden", {
        message: "Pages of other origins may not ask this node.",
        details: { header: "Origin" },
      });
    }
  };
}

function isOurs(host: string, allowed: ReadonlySet<string>): boolean {
  const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
  return allowed.has(name) || ipv4.test(name) || ipv6.test(name);
}

function hostOf(url: string): string {
  const start = url.indexOf("//") + 2;
  const end = url.indexOf("/", start);
  return url.slice(start, end === -1 ? undefined : end);
}
