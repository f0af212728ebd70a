/** Simulated ingresses have small identities, so that an operation's id fits one number. */
export const MAX_IDENTITY = 2 ** 20;

export function operationKey(ingress: number, sequence: number): number {
  return ingress * 2 ** 32 + sequence;
}
