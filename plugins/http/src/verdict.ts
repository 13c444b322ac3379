/** What was answered about one event, or about a batch. */
export interface Verdict {
  readonly body: unknown;
  /** Of the answer, or what the answer would have had, were the event posted by itself. */
  readonly status: number;
  /** The address it came from, without a query. */
  readonly from: string;
  readonly retryAfterMs?: number | undefined;
  /** Where it says to ask instead, without a query. */
  readonly location?: string | undefined;
}
