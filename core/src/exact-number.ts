/** Sign, digits without outer zeros and exponent: equal for every way of writing the same number. */
export function decimalOf(text: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!parts) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts;
  const digits = (whole + fraction).replace(/^0+/, '');
  // A loop, since /0+$/ takes quadratic time on a long run of zeros that does not end the text.
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  const kept = digits.slice(0, end);
  if (kept === '') return '0';
  return `${sign}${kept}e${Number(exponent) - fraction.length + (digits.length - kept.length)}`;
}

/** Whether the double nearest to a number of JSON text stands for that number and no other that people write. */
export function isExact(text: string): boolean {
  const shortest = String(Number(text));
  // Most numbers come in this form.
  return shortest === text || decimalOf(text) === decimalOf(shortest);
}

// Postgres' numeric: most digits after the point, and the exponents it reads at all.
const mostFractionDigits = 16_383;
const largestExponent = 1_073_741_822;

/** Why a number of JSON text cannot be stored as it is; undefined when it can. */
export function numberProblem(text: string): string | undefined {
  if (!Number.isFinite(Number(text))) return 'a number beyond the range of a double';
  const [mantissa = '', exponent = '0'] = text.split(/[eE]/);
  const point = mantissa.indexOf('.');
  const fractionDigits = point < 0 ? 0 : mantissa.length - point - 1;
  if (Number(exponent) > largestExponent) return 'a number with an exponent that no numeric has';
  return fractionDigits - Number(exponent) > mostFractionDigits
    ? `a number with more than ${mostFractionDigits} digits after the point`
    : undefined;
}

interface Decimal {
  readonly sign: -1 | 0 | 1;
  readonly digits: string;
  /** Digits before the point; zero and less for what begins behind it. */
  readonly size: number;
}

function partsOf(decimal: string): Decimal {
  if (decimal === '0') return { sign: 0, digits: '', size: 0 };
  const [mantissa = '', exponent = '0'] = decimal.split('e');
  const digits = mantissa.replace('-', '');
  return { sign: mantissa === digits ? 1 : -1, digits, size: digits.length + Number(exponent) };
}

/** Below zero when the first is less, above when it is more. */
function compareDecimals(first: string, second: string): number {
  const [a, b] = [partsOf(first), partsOf(second)];
  if (a.sign !== b.sign) return a.sign - b.sign;
  if (a.size !== b.size) return a.sign * (a.size - b.size);
  // None ends in zeros, so that the longer of two that begin alike is the larger.
  return a.digits === b.digits ? 0 : a.digits > b.digits ? a.sign : -a.sign;
}

function nextDouble(value: number, up: boolean): number {
  if (value === 0) return up ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 === up ? 1n : -1n));
  return view.getFloat64(0);
}

/**
 * The double on the other side of a number of JSON text than the nearest one: the number lies between the two. The
 * nearest one itself where it stands for the number exactly. What both are within limits of, the number is as well.
 */
export function otherDouble(text: string): number {
  const nearest = Number(text);
  const order = compareDecimals(decimalOf(text), decimalOf(String(nearest)));
  return order === 0 ? nearest : nextDouble(nearest, order > 0);
}
