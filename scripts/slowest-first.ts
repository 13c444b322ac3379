import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Whole-system tests first, the longest of them at the front, so that no core ends up waiting for one of them. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      if (/\/(host\/(chaos\/chaos|test\/life)|scripts\/publish)\.test\.ts$/.test(moduleId)) return 0;
      return /\/host\/(test|chaos)\/|\/(conformance|liars)\.test\.ts$/.test(moduleId) ? 1 : 2;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- the sequencer's own method, which makes a new list
    const bySize = await super.sort(files);
    return bySize.toSorted((a, b) => rank(a) - rank(b));
  }
}
