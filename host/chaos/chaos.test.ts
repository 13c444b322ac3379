import { testParts } from './part-tests.ts';

// Of the short form of `npm run chaos` the parts that no other test comes near; CI runs the whole of it beside the tests.
const wanted = ['points', 'fleet', 'source'];
testParts(({ name }) => wanted.includes(name));
