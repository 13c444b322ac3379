import { testConformance } from '../../../scripts/conformance-tests.ts';
import subject from './subject.ts';

await testConformance(subject);
