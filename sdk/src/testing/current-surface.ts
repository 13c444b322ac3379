import { connectorOpened } from './open-connector.ts';
import { isConnectorSubject, type Subject } from './subject.ts';
import { surfaceOf, type Surface } from './surface.ts';
import { withSource } from './with-source.ts';

/**
 * What users of the subject's plugin rely on now; of a connector after a login at the double of its source, since some
 * know their datasets only then.
 *
 * @throws what `login` and `listDatasets` throw, and as {@link surfaceOf}.
 */
export async function currentSurface(subject: Subject): Promise<Surface> {
  if (!isConnectorSubject(subject)) return surfaceOf(subject.plugin);
  return withSource(subject, async (context) => {
    const opened = await connectorOpened(subject, context);
    try {
      return surfaceOf(subject.plugin, opened.datasets);
    } finally {
      await opened.close();
    }
  });
}
