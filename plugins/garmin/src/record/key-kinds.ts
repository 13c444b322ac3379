import { isPublicName, wordsOf } from './key-words.ts';

/** What a member's name says about its value. */
export type KeyKind =
  /** Tells a person, a device or an activity apart. */
  | 'id'
  /** An id whatever its size. */
  | 'own-id'
  /** The name of a person. */
  | 'person'
  /** The name of a thing, given by a person or telling what they own. */
  | 'name'
  | 'place'
  | 'time-zone'
  | 'birth'
  | 'link'
  /** Written by hand. */
  | 'text'
  /** Sex and height: of the person, not measured by the watch. */
  | 'trait'
  /** Rows about other people. */
  | 'others'
  /** A line on the map. */
  | 'line'
  | 'other';

const personPattern =
  /^(?:(?:owner|user|userProfile|profile|author|player|athlete)?(?:full|first|last|middle|nick|user|screen)Name|(?:owner|user|profile)DisplayName|e?mail\w*)$/i;
const ends: Readonly<Record<string, KeyKind>> = {
  id: 'id',
  ids: 'id',
  pk: 'id',
  pks: 'id',
  uuid: 'id',
  guid: 'id',
  serial: 'id',
  number: 'id',
  imei: 'id',
  mac: 'id',
  name: 'name',
  names: 'name',
  nickname: 'name',
  author: 'name',
  note: 'text',
  notes: 'text',
  description: 'text',
  desc: 'text',
  comment: 'text',
  comments: 'text',
  bio: 'text',
  motivation: 'text',
  title: 'text',
  text: 'text',
};
const places =
  /^(?:lat|lon|lng|latitude|longitude|location|place|city|country|province|address|street|postal|zip|coordinate|coordinates|geo|gps|course)$/;
// These are also words of measurements and of enumerations; the names that are public are known to be those.
const morePlaces =
  /^(?:(?:lat|lon|lng|long|north|south|east|west)\d*|points?|positions?|bbox|bounds|bounding|centroid|center|centre|coords?|gps|waypoints?|semicircles?|plz|zipcode|postcode)$/;
const ids = /(?:sn|imei|ssid|wifi|serial|iccid)\d*$|^(?:sn|serial|imei|mac|ssid|wifi)|^mac$|^phone$/;
const owned = /^(?:user|owner|profile|activity|device|sample|gear|workout|unit|serial|account)$/;
// Kinds of things are the same for everybody, whatever they are kinds of.
const shared = /^(?:type|category|status|format|level|sport)$/;

const wholeKeys: readonly (readonly [RegExp, KeyKind])[] = [
  [/^(?:connections|players)$/i, 'others'],
  [/polyline/i, 'line'],
  [/time_?zone(?!offset)/i, 'time-zone'],
  [/birth/i, 'birth'],
  // Alone it is a sentence; `trainingEffectMessage` and the like are enumerations.
  [/^message$/i, 'text'],
  [/^(?:gender|sex|height)$/i, 'trait'],
  [personPattern, 'person'],
];

/** The age that the watch reckons is a measurement; the person's own tells the year they were born in. */
function isAge(words: readonly string[]): boolean {
  if (words.some((word) => /^(?:dob|yob|born)/.test(word))) return true;
  return words.includes('age') && !words.some((word) => /^(?:fitness|metabolic)$/.test(word));
}

function find(key: string): KeyKind {
  const whole = wholeKeys.find(([pattern]) => pattern.test(key));
  if (whole) return whole[1];
  const words = wordsOf(key);
  const [first = ''] = words;
  const end = ends[words.at(-1) ?? ''];
  const isPublic = isPublicName(key);
  if (!isPublic && isAge(words)) return 'birth';
  if (!isPublic && words.some((word) => morePlaces.test(word))) return 'place';
  if (words.some((word) => ids.test(word))) return 'own-id';
  if (!isPublic && /^(?:no|nr|number)\d*$/.test(words.at(-1) ?? '')) return 'own-id';
  if (end === 'id') return owned.test(first) && !words.some((word) => shared.test(word)) ? 'own-id' : 'id';
  if (words.some((word) => places.test(word))) return 'place';
  if (words.some((word) => /^(?:url|uri|image|images|avatar|photo|picture)$/.test(word))) return 'link';
  return end ?? 'other';
}

const known = new Map<string, KeyKind>();
// Names of members are few; keys of maps, such as device ids, need not be kept.
const mostKnown = 5000;

/** What the member's name says about its value. */
export function kindOfKey(key: string): KeyKind {
  const before = known.get(key);
  if (before) return before;
  const kind = find(key);
  if (known.size < mostKnown) known.set(key, kind);
  return kind;
}
