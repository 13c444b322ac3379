import type { RequestMatch, ScriptedAnswer } from './control.ts';
import type { SimulatedRequest } from './requests.ts';
import type { IssueRequest, TokenAnswer } from './tokens.ts';

/** What a test can do to a running simulator, from within its process or over HTTP. */
export interface Steering {
  /** Every request so far, oldest first. */
  readonly requests: readonly SimulatedRequest[];
  /** Answers matching requests with this instead, the newest script first. Returns how to undo it. */
  answer(match: RequestMatch, answer: ScriptedAnswer): () => void;
  /** Ends all scripts. */
  forgetAnswers(): void;
  forgetRequests(): void;
  /** Ends all access tokens given out so far, those written by hand too; refresh tokens live on. */
  expireAccess(): void;
  /** Ends all tokens and tickets given out so far. */
  revoke(): void;
  /** The person changes the password: refresh and OAuth1 tokens end, access tokens run out by the clock. */
  changePassword(password: string): void;
  /** The watch meets the phone now. */
  sync(): void;
}

/** What only the process of the simulator can do. */
export interface LocalSteering extends Steering {
  /** Tokens as the DI endpoint answers them, without a sign-in. */
  issueTokens(request?: Partial<IssueRequest>): TokenAnswer;
  /** Rewrites the normal answer of matching requests. Returns how to undo it. */
  edit(match: RequestMatch, change: (body: any) => unknown): () => void; // oxlint-disable-line typescript/no-explicit-any -- any JSON value
}
