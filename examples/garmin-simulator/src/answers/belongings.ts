import { HOUR_MS, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { FORBIDDEN, ok } from './answer.ts';
import type { Answerer } from './answer.ts';

const atNoon = (person: Person, date: CalendarDate): number => person.zone.instantOf(date, 12 * 60);

function device(person: Person, deviceId: number, name: string, categories: readonly string[]) {
  const random = dayRandom(person, FIRST_DAY, name);
  const watch = categories.includes('FITNESS');
  return {
    deviceId,
    unitId: deviceId,
    serialNumber: `SIM${random.hex(6).toUpperCase()}`,
    productDisplayName: name,
    displayName: name,
    productSku: `010-0${random.int(2000, 2999)}-10`,
    partNumber: `006-B${random.int(4000, 4999)}-00`,
    applicationKey: watch ? 'simulatedwatch7' : 'simulatedscale2',
    deviceTypePk: random.int(36_000, 38_000),
    deviceCategories: categories,
    currentFirmwareVersion: '12.34',
    softwareUpdateAvailable: false,
    wifi: true,
    bluetoothClassicDevice: false,
    bluetoothLowEnergyDevice: watch,
    batteryStatus: null,
    registeredDate: atNoon(person, FIRST_DAY),
    imageUrl: null,
    deviceStatus: 'active',
    primary: watch,
    primaryActivityTrackerIndicator: watch,
    hrvStatusCapable: watch && person.features.hrv,
    heartRateCapable: watch,
    bodyBatteryCapable: watch,
    pulseOxCapable: watch,
    respirationCapable: watch,
    trainingStatusCapable: watch,
    trainingReadinessCapable: watch,
    enduranceScoreCapable: watch,
    hillScoreCapable: watch,
    weightScaleCapable: !watch,
    bodyCompositionCapable: !watch,
    menstrualCycleCapable: watch,
  };
}

export const devices: Answerer = ({ view: { person } }) =>
  ok([
    device(person, person.watchId, 'Simulated Watch 7', ['FITNESS', 'WELLNESS', 'GOLF']),
    device(person, person.scaleId, 'Simulated Scale 2', ['WELLNESS']),
  ]);

/** Changes with every sync, so that a client can tell cheaply whether anything new can be there. */
export const lastUsedDevice: Answerer = ({ view }) =>
  ok({
    userDeviceId: view.person.watchId,
    userProfileNumber: view.person.profileId,
    applicationNumber: 4312,
    lastUsedDeviceApplicationKey: 'simulatedwatch7',
    lastUsedDeviceName: 'Simulated Watch 7',
    lastUsedDeviceUploadTime: view.knownUntilMs,
    imageUrl: null,
    released: true,
  });

const GEAR = [
  { make: 'Simulated', model: 'Trail Shoe', type: 'Shoes', from: '2025-09-06', until: null, meters: 800_000 },
  {
    make: 'Simulated',
    model: 'Road Shoe',
    type: 'Shoes',
    from: '2024-03-02',
    until: '2025-09-05',
    meters: 700_000,
  },
  { make: 'Simulated', model: 'Road Bike', type: 'Bike', from: '2024-03-16', until: null, meters: 0 },
] as const;

export const gear: Answerer = ({ view: { person, today }, query }) => {
  if (query['userProfilePk'] !== String(person.profileId)) return FORBIDDEN;
  const rows = GEAR.filter(({ from }) => from < today).map((item, index) => ({
    gearPk: 40_000_000 + index + (person.profileId % 1000) * 10,
    uuid: dayRandom(person, item.from, 'gear').hex(32),
    userProfilePk: person.profileId,
    gearMakeName: 'Other',
    gearModelName: `Unknown ${item.type}`,
    gearTypeName: item.type,
    gearStatusName: item.until !== null && item.until < today ? 'retired' : 'active',
    displayName: null,
    customMakeModel: `${item.make} ${item.model}`,
    imageNameLarge: null,
    imageNameMedium: null,
    imageNameSmall: null,
    dateBegin: `${item.from}T00:00:00.0`,
    dateEnd: item.until !== null && item.until < today ? `${item.until}T00:00:00.0` : null,
    maximumMeters: item.meters,
    notified: false,
    createDate: isoStamp(atNoon(person, item.from)),
    updateDate: isoStamp(atNoon(person, item.from) + HOUR_MS),
  }));
  return ok(rows);
};
