/**
 * The schemas of our routes describe; who is right about a request is decided elsewhere. With these
 * a Fastify of our own does not even load the validator and serializer that it brings, which would
 * take 4 MiB.
 */

import type {
  FastifySchemaCompiler,
  FastifySerializerCompiler,
  FastifyServerOptions,
} from "fastify";

export const validatorCompiler: FastifySchemaCompiler<unknown> = () => () => true;

export const serializerCompiler: FastifySerializerCompiler<unknown> = () => (body) =>
  JSON.stringify(body);

/** The option `schemaController` of an application. Its type knows no validator but Ajv. */
export const UNCHECKED = {
  compilersFactory: {
    buildValidator: () => validatorCompiler,
    buildSerializer: () => serializerCompiler,
  },
} as unknown as NonNullable<FastifyServerOptions["schemaController"]>;
