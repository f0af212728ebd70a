/** An optional flag that is read as it stands: what it may hold is checked together with its variable, in one place. */
export function textFlag(brief: string, placeholder: string) {
  return { kind: "parsed", parse: String, optional: true, brief, placeholder } as const;
}
