import { afterAll, inject } from 'vitest';
import { testConformance } from '../../../scripts/conformance-tests.ts';
import subject, { stopHost } from './subject.ts';

process.env['OTW_TEST_POSTGRES_URL'] = inject('postgresUrl');
afterAll(stopHost);
await testConformance(subject);
