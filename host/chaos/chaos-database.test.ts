import { testParts } from './part-tests.ts';

// The short form of `npm run chaos`: the parts that hurt the database itself.
testParts(({ hurtsServer }) => hurtsServer === true);
