import { characters } from '@on-the-way/sdk';
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import { instantText } from '../storage/instant-text.ts';
import type { AppParts } from './app-parts.ts';
import { readJsonBody } from './body.ts';
import { defineRoute, type Route } from './route.ts';
import { ok, timestamp } from './shapes.ts';

const annotation = z.strictObject({
  target_type: z.literal('signal_event'),
  // Any UUID of any version: what is not a signal's is unknown, not malformed.
  target_id: z.guid(),
  label: characters(1, 64),
  value: characters(1, 128),
});

interface AnnotationRow {
  readonly annotation_id: string;
  readonly created_at: string;
}

/** Notes on signals; the label quality_tag with the value suspect_outlier makes a signal invalid. */
export function annotationRoutes({ database }: AppParts): readonly Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/v1/annotation',
      summary: 'Adds a note to a signal; quality_tag suspect_outlier makes it invalid',
      scope: 'ingest',
      body: { mediaTypes: ['application/json'], schema: annotation },
      answers: {
        200: { description: 'It is added', schema: ok({ annotation_id: z.uuid(), created_at: timestamp }) },
      },
      async handle({ request }) {
        const {
          target_type: type,
          target_id: target,
          label,
          value,
        } = await readJsonBody(request, annotation);
        const { rows } = await database.raw<{ rows: AnnotationRow[] }>(
          `insert into app.annotation (target_type, target_id, label, value)
           select ?, signal_event_id, ?, ? from app.signal_event where signal_event_id = ?
           returning annotation_id, ${instantText('created_at')} as created_at`,
          [type, label, value, target],
        );
        const [row] = rows;
        if (!row) {
          const message =
            'target_id: expected the signal_event_id of a signal that GET /v1/poc/signals lists';
          throw new ApiError(400, 'INVALID_ARGUMENT', message);
        }
        return { body: { status: 'ok', ...row } };
      },
    }),
  ];
}
