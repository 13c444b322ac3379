import { z } from 'zod';
import { defineRoute, type AnswerShape, type Route, type Scope } from './route.ts';
import { refusal } from './shapes.ts';

type Json = Readonly<Record<string, unknown>>;

/** A schema as OpenAPI 3.1 takes it, which is JSON Schema as it is. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  // What cannot be said in JSON Schema (a transformed text) is described by what it is made from.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

/** One operation's parameters of a kind, each with its schema. */
function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: property,
  }));
}

/** Text with a JSON text a line, which JSON Schema can only say of one of them. */
function linesOf(mediaType: string, schema: z.ZodType): Json {
  return {
    type: 'string',
    description: 'One JSON text a line; contentSchema is of a line',
    contentMediaType: mediaType,
    contentSchema: schemaOf(schema, 'input'),
  };
}

function bodyOf({ body }: Route): Json {
  if (!body) return {};
  const { mediaTypes, schema, lines } = body;
  const content = Object.fromEntries([
    ...mediaTypes.map((type) => [type, { schema: schemaOf(schema, 'input') }]),
    ...(lines?.mediaTypes ?? []).map((type) => [type, { schema: linesOf(type, lines!.schema) }]),
  ]);
  return { requestBody: { required: !schema.safeParse(undefined).success, content } };
}

function answerOf({ description, schema, mediaType }: AnswerShape): Json {
  if (schema) return { description, content: { 'application/json': { schema: schemaOf(schema, 'output') } } };
  return { description, content: { [mediaType ?? 'text/plain']: { schema: { type: 'string' } } } };
}

/** `post /v1/connections/{name}/run` → `postConnectionsByNameRun`. */
function operationIdOf({ method, path }: Route): string {
  const words = path
    .replace('/v1/', '/')
    .replaceAll('{', 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '');
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function tagOf({ path }: Route): string {
  return /^\/v1\/([a-z-]+)/.exec(path)?.[1] ?? 'host';
}

/** A key with the scope, or none on this machine as long as the host does not ask for one. */
function securityOf(scope: Scope): readonly Json[] {
  return scope === 'open' ? [] : [{ key: [scope] }, {}];
}

const refusals = { $ref: '#/components/responses/Refusal' };

function operationOf(route: Route): Json {
  const answers = Object.entries(route.answers).map(([status, answer]) => [status, answerOf(answer)]);
  return {
    operationId: operationIdOf(route),
    summary: route.summary,
    tags: [tagOf(route)],
    security: securityOf(route.scope),
    parameters: [...parametersOf(route.params, 'path'), ...parametersOf(route.query, 'query')],
    ...bodyOf(route),
    responses: { ...Object.fromEntries(answers), '4XX': refusals, '5XX': refusals },
  };
}

function pathsOf(routes: readonly Route[]): Json {
  const byPath = Map.groupBy(routes, ({ path }) => path);
  return Object.fromEntries(
    [...byPath].map(([path, all]) => [
      path,
      Object.fromEntries(all.map((route) => [route.method, operationOf(route)])),
    ]),
  );
}

/** The description of these routes in OpenAPI 3.1, made from the schemas that validate. */
function describeApi(routes: readonly Route[]): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'on the way',
      version: 'v1',
      description: 'A person’s health data, pulled on a schedule and kept raw; docs/http.md says more.',
    },
    tags: [...new Set(routes.map(tagOf))].map((name) => ({ name })),
    paths: pathsOf(routes),
    components: {
      schemas: { Refusal: schemaOf(refusal, 'output') },
      responses: {
        Refusal: {
          description: 'It was refused, or failed; docs/http.md lists the codes',
          headers: {
            'Retry-After': {
              description: 'Seconds, where trying again may help',
              schema: { type: 'string' },
            },
          },
          content: { 'application/json': { schema: { $ref: '#/components/schemas/Refusal' } } },
        },
      },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'A key of otw keys create, with the scope' },
      },
    },
  };
}

/** A path that serves several things, such as one a contract, is described once for each. */
async function describedRoutes(routes: readonly Route[]): Promise<readonly Route[]> {
  const all = await Promise.all(routes.map(async (route) => (await route.described?.()) ?? [route]));
  return all.flat();
}

/** Serves the description of `routes` and of itself; made when it is first asked for. */
export function openApiRoute(routes: readonly Route[]): Route {
  let description: Json | undefined;
  const route: Route = defineRoute({
    method: 'get',
    path: '/openapi.json',
    summary: 'This API in OpenAPI 3.1',
    scope: 'read',
    answers: {
      200: {
        description: 'The description',
        schema: z.looseObject({ openapi: z.literal('3.1.0'), paths: z.record(z.string(), z.unknown()) }),
      },
    },
    async handle() {
      description ??= describeApi(await describedRoutes([...routes, route]));
      return { body: description };
    },
  });
  return route;
}
