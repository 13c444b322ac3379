import { daysOf } from '../../windows.ts';
import type { HonestParts } from './honest-parts.ts';

/** Connectors that keep every promise in another way than most, by what they do. */
export const honestVariants: Readonly<Record<string, Partial<HonestParts>>> = {
  'a dataset made of what the login said': {
    async *steps({ session, window }) {
      for (const day of daysOf(window)) yield { day, data: { of: session.context.config.user } };
    },
  },
};
