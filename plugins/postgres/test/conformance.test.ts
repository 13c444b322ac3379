import { inject } from 'vitest';
import { testConformance } from '../../../scripts/conformance-tests.ts';
import subject from './subject.ts';

process.env['OTW_TEST_POSTGRES_URL'] = inject('postgresUrl');
await testConformance(subject);
