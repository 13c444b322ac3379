/** What a person does to sign in; the end of every `needs_user` message. */
export const describeSignIn =
  'Put a token file into GARMIN_TOKEN_DIR (garmin_tokens.json, or oauth1_token.json and oauth2_token.json, ' +
  'made by python-garminconnect, garth or garmin-connect), or set GARMIN_EMAIL and GARMIN_PASSWORD and run ' +
  '`npx otw run garmin` at a terminal once.';
