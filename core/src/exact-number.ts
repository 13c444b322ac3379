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
