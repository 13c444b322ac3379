import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// In what the compiler writes a statement begins at the start of a line, and a member has lines of its own.
const statement = /^(?=(?:export|declare|interface|type|class|import)\b)/m;
const named = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|type|class|function|const) ([\w$]+)/;
const member = /^ +(?:(?:readonly|static|get|set|abstract) )*([\w$]+|'[^']+')\??[:(<]/;

/** Paths of the members of a declaration that have no doc comment, those of type literals within it too. */
function undocumentedIn(text: string): string[] {
  const [, name = ''] = named.exec(text) ?? [];
  const found: string[] = [];
  const [first = '', ...lines] = text.split('\n');
  const path = first.endsWith('{') ? [name, ''] : [name];
  let isDocumented = false;
  for (const line of lines) {
    if (/^ *(\/\*\*| \*)/.test(line)) {
      isDocumented = true;
      continue;
    }
    const [, own] = member.exec(line) ?? [];
    if (own !== undefined && !isDocumented)
      found.push([...path, own].filter((part) => part !== '').join('.'));
    if (/^ *\}/.test(line)) path.pop();
    if (line.endsWith('{')) path.push(own ?? '');
    isDocumented = false;
  }
  return found;
}

/** Members without a doc comment of what the `.d.ts` files of a folder declare by these names. */
export function undocumentedMembers(folder: string, names: ReadonlySet<string>): string[] {
  return globSync('**/*.d.ts', { cwd: folder })
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split(statement))
    .filter((text) => names.has(named.exec(text)?.[1] ?? ''))
    .flatMap(undocumentedIn);
}
