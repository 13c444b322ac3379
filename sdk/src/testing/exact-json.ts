/**
 * A number as its sign, digits and exponent: equal texts for equal values, whatever way they are written.
 */
function exactNumber(text: string): string {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  const exponent = Number(power) - fraction.length + (digits.length - short.length);
  return short === '' ? `${sign}0` : `${sign}${short}e${exponent}`;
}

const token = /[{}[\],:]|"(?:[^"\\]|\\.)*"|true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

interface Open {
  readonly isObject: boolean;
  readonly parts: string[];
  key: string | undefined;
}

function closed({ isObject, parts }: Open): string {
  return isObject ? `{${parts.toSorted().join()}}` : `[${parts.join()}]`;
}

/**
 * What a JSON text says, to the last digit: numbers by value and not as doubles, strings by their characters, members in
 * order of their names. Without recursion, so of any depth. `minusZero` is what -0 stands for.
 */
export function exactJson(text: string, minusZero = '-0'): string {
  const stack: Open[] = [{ isObject: false, parts: [], key: undefined }];
  const add = (value: string): void => {
    const open = stack.at(-1) as Open;
    open.parts.push(open.key === undefined ? value : `${open.key}:${value}`);
    open.key = undefined;
  };
  const numberOf = (found: string): string => {
    const exact = exactNumber(found);
    return exact === '-0' ? minusZero : exact;
  };
  for (const [found] of text.matchAll(token)) {
    const open = stack.at(-1) as Open;
    if (found === '{' || found === '[') stack.push({ isObject: found === '{', parts: [], key: undefined });
    else if (found === '}' || found === ']') add(closed(stack.pop() as Open));
    else if (found === ',' || found === ':') continue;
    else if (!found.startsWith('"')) add(/\d/.test(found) ? numberOf(found) : found);
    else if (open.isObject && open.key === undefined) open.key = JSON.stringify(JSON.parse(found));
    else add(JSON.stringify(JSON.parse(found)));
  }
  return (stack[0] as Open).parts.join();
}
