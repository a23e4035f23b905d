/**
 * The Standard Schema interface (standardschema.dev, version 1), types only: what zod, valibot, arktype, typebox' and
 * others' schemas have in common, so that a payload can be checked by any of them without a dependency.
 */

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema makes of a payload. */
export type SchemaOutput<Schema> = Schema extends StandardSchema<unknown, infer Output> ? Output : unknown;
