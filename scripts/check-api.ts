import { join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

/**
 * Looks at what a built package exports, as `npm run check` does.
 *
 * @param config Name of the settings in the folder.
 * @returns What is wrong, a message each.
 */
export function checkApi(folder: string, config: string): string[] {
  const messages: string[] = [];
  Extractor.invoke(ExtractorConfig.loadFileAndPrepare(join(folder, config)), {
    localBuild: false,
    messageCallback(message) {
      if (message.logLevel === 'error' || message.logLevel === 'warning') messages.push(message.text);
      // Nothing is printed.
      message.handled = true;
    },
  });
  return messages;
}
