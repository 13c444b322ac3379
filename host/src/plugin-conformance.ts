import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const count = z.number().int().min(0);

/** What `otw plugin test --publish` writes beside the package.json of a plugin. */
const resultSchema = z.object({
  plugin: z.string(),
  version: z.string(),
  /** Version of the SDK whose checks were run. */
  sdk: z.string(),
  tested_at: z.iso.datetime({ offset: true }),
  passed: count,
  failed: count,
  skipped: z.array(z.object({ id: z.number(), reason: z.string() })),
});

/** How the plugin did in the conformance suite when it was last tested. */
export type ConformanceResult = z.output<typeof resultSchema>;

/** The name of the file in the plugin's folder. */
const conformanceFile = 'conformance.json';

/** The saved result of this plugin; undefined where there is none, or one of another plugin. */
export function readConformance(folder: string, plugin: string): ConformanceResult | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, conformanceFile), 'utf8');
  } catch {
    // Not tested, or not saved: which is what is said of it.
    return undefined;
  }
  const result = resultSchema.safeParse(jsonOf(text));
  return result.success && result.data.plugin === plugin ? result.data : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // As good as no result.
    return undefined;
  }
}
