import { testParts } from './part-tests.ts';

// The short form of `npm run chaos`, but for the parts that hurt the database itself: those are in chaos-database.test.ts.
testParts(({ hurtsServer }) => hurtsServer !== true);
