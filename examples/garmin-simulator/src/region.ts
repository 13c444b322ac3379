/** Garmin keeps two databases of users; a user of one is unknown to the other. */
export type Region = 'garmin.com' | 'garmin.cn';

export const REGIONS: readonly Region[] = ['garmin.com', 'garmin.cn'];

const hostOf = (address: string | undefined): string =>
  address !== undefined && URL.canParse(address) ? new URL(address).hostname : '';

/** The region an address belongs to; undefined for any other address. */
export function regionOf(address: string | undefined): Region | undefined {
  const host = hostOf(address);
  return REGIONS.find((region) => host === region || host.endsWith(`.${region}`));
}

/** Without a region any service URL will do; a region takes its own, and those on this machine. */
export function takesService(region: Region | undefined, service: string | undefined): boolean {
  if (region === undefined || hostOf(service) === '127.0.0.1') return true;
  return regionOf(service) === region;
}
