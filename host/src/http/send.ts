import type { ServerResponse } from 'node:http';

/** Answers with a text. Express' own way asks its settings, and whether the answer is cached, which none is. */
export function sendText(response: ServerResponse, status: number, mediaType: string, text: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', mediaType);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  response.end(text);
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendText(response, status, 'application/json; charset=utf-8', JSON.stringify(body));
}
