import { randomUUID } from 'node:crypto';
import type { Reply, Request } from '../http.ts';
import type { Region } from '../region.ts';
import type { TokenDesk } from '../tokens.ts';

/** A second factor: the code that is right, and where it is said to be sent. */
export interface MfaOptions {
  readonly method: 'email' | 'sms' | 'app';
  readonly code: string;
}

/** A sign-in with the right password that still waits for its code. */
interface PendingSignIn {
  readonly id: string;
  readonly service: string | undefined;
}

/** Single-use proofs of a finished sign-in, each made for one service. */
interface TicketDesk {
  issue(service: string | undefined): string;
  /** Spent by the attempt, right service or not. */
  spend(ticket: string | undefined, service: string | undefined): boolean;
  endAll(): void;
}

/** Everything a sign-in is checked against. */
export interface LoginDesk {
  readonly account: { readonly email: string; password: string };
  readonly region: Region | undefined;
  readonly mfa: MfaOptions | undefined;
  readonly personalApiKey: string | undefined;
  /** The client ids the DI endpoint exchanges a ticket for. */
  readonly diClientIds: ReadonlySet<string>;
  readonly tokens: TokenDesk;
  readonly tickets: TicketDesk;
  readonly pending: Map<string, PendingSignIn>;
}

export type LoginAnswerer = (request: Request, desk: LoginDesk) => Reply;

export const DI_CLIENT_IDS: readonly string[] = [
  'GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2',
  'GARMIN_CONNECT_MOBILE_ANDROID_DI_2024Q4',
  'GARMIN_CONNECT_MOBILE_ANDROID_DI',
  'GARMIN_CONNECT_MOBILE_IOS_DI',
];

export function openTicketDesk(): TicketDesk {
  const services = new Map<string, string | undefined>();
  return {
    issue(service) {
      const ticket = `ST-simulated-${randomUUID()}-cas`;
      services.set(ticket, service);
      return ticket;
    },
    spend(ticket, service) {
      if (ticket === undefined || !services.has(ticket)) return false;
      const made = services.get(ticket);
      services.delete(ticket);
      return made === service;
    },
    endAll: () => services.clear(),
  };
}

const COOKIE = 'SESSION';

/** Remembers a sign-in that waits for its code; resolves to the header that sets its cookie. */
export function waitForCode(desk: LoginDesk, service: string | undefined): Record<string, string> {
  const id = randomUUID();
  desk.pending.set(id, { id, service });
  return { 'set-cookie': `${COOKIE}=${id}; Path=/; Secure; HttpOnly` };
}

export function pendingOf({ headers }: Request, { pending }: LoginDesk): PendingSignIn | undefined {
  const cookies = (headers.cookie ?? '').split(';').map((part) => part.trim());
  const own = cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`));
  return own === undefined ? undefined : pending.get(own.slice(COOKIE.length + 1));
}

export const knows = ({ account }: LoginDesk, { fields }: Request): boolean =>
  fields['username'] === account.email && fields['password'] === account.password;

/** `r****@example.com`, as Garmin shows where it sent a code. */
export function maskedEmail({ account }: LoginDesk): string {
  const [name = '', domain = ''] = account.email.split('@');
  return `${name.slice(0, 1)}****@${domain}`;
}

export const MASKED_PHONE = '+1 ***-***-**42';
