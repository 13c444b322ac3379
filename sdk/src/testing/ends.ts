import { inTime } from './in-time.ts';
import type { OpenedConnector, Question } from './open-connector.ts';

/** How a question came to its end: without an error, with one, or not within the time. */
export type End =
  | { readonly dataset: string; readonly how: 'done' | 'late' }
  | { readonly dataset: string; readonly how: 'threw'; readonly error: unknown };

async function endOf(opened: OpenedConnector, question: Question, limitMs: number): Promise<End> {
  const { dataset } = question;
  const stop = new AbortController();
  const reading = opened.read({ ...question, signal: stop.signal }).then(
    (): End => ({ dataset, how: 'done' }),
    (error: unknown): End => ({ dataset, how: 'threw', error }),
  );
  const end = await inTime(reading, limitMs);
  if (end !== 'late') return end;
  stop.abort(new DOMException('The check waits no longer', 'AbortError'));
  return { dataset, how: 'late' };
}

/** Puts all questions at once, to sessions in turn; whatever waits is waited for once. */
export function endsOf(
  sessions: readonly OpenedConnector[],
  { questions, limitMs }: { readonly questions: readonly Question[]; readonly limitMs: number },
): Promise<End[]> {
  const asked = questions.flatMap((question, index) => {
    const opened = sessions[index % sessions.length];
    return opened ? [endOf(opened, question, limitMs)] : [];
  });
  return Promise.all(asked);
}
