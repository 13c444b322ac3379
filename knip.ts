import { existsSync } from 'node:fs';
import type { KnipConfig } from 'knip';

// What somebody makes for himself; knip minds a folder that is named and is not there.
const mine = existsSync('mine') ? { 'mine/*': { entry: ['*.ts', '{src,test}/**/*.ts'] } } : {};

const config: KnipConfig = {
  workspaces: {
    ...mine,
    '.': {
      entry: [
        'scripts/*.mjs',
        'scripts/reference.ts',
        'scripts/compat.ts',
        'scripts/registry.ts',
        'scripts/**/*.test.ts',
        'scripts/conformance-table.ts',
        'docs/*.test.ts',
        'bench/main.ts',
        'bench/{variant-process,growth-process,http-server,load,constant-source}.ts',
        'bench/*.test.ts',
      ],
      project: ['scripts/**', 'docs/**/*.ts', 'bench/*.ts'],
    },
    host: {
      entry: ['src/main.ts', 'src/isolate/child.ts', 'chaos/*.ts', 'test/**/*.ts', 'src/**/*.test.ts'],
      project: ['src/**/*.ts', 'test/**/*.ts', 'chaos/*.ts', 'bin/*.js'],
      ignoreDependencies: ['@on-the-way/plugin-.+', '@on-the-way/sink-.+'],
    },
    sdk: {
      entry: [
        'src/**/*.test.ts',
        'src/testing/plugin-child.ts',
        'src/testing/sample-connector.ts',
        'src/testing/liars/module.ts',
      ],
      project: ['src/**/*.ts'],
    },
    create: {
      entry: ['src/command.ts', 'src/**/*.test.ts'],
      project: ['src/**/*.ts', 'bin/*.js'],
      vitest: false,
    },
    core: {
      entry: ['src/**/*.test.ts'],
      project: ['src/**/*.ts'],
    },
    'plugins/*': {
      entry: ['src/**/*.test.ts'],
      project: ['src/**/*.ts'],
    },
    'plugins/garmin': {
      entry: ['src/**/*.test.ts', 'test/*.ts'],
      project: ['src/**/*.ts', 'test/*.ts'],
    },
    'plugins/http': {
      entry: ['src/**/*.test.ts', 'test/*.ts'],
      project: ['src/**/*.ts', 'test/*.ts'],
    },
    'plugins/jsonl': {
      entry: ['src/**/*.test.ts', 'test/*.ts'],
      project: ['src/**/*.ts', 'test/*.ts'],
    },
    'plugins/postgres': {
      entry: ['src/**/*.test.ts', 'test/*.ts'],
      project: ['src/**/*.ts', 'test/*.ts'],
    },
    'plugins/signal': {
      entry: ['src/**/*.test.ts', 'test/*.ts'],
      project: ['src/**/*.ts', 'test/*.ts'],
    },
    'examples/garmin-simulator': {
      entry: ['src/**/*.test.ts'],
      project: ['src/**/*.ts'],
      ignoreDependencies: ['garmin-connect'],
    },
    'plugins/strava': {
      entry: ['src/**/*.test.ts', 'test/*.ts'],
      project: ['src/**/*.ts', 'test/*.ts'],
    },
    'examples/strava-simulator': {
      project: ['src/**/*.ts'],
    },
    'examples/hello-connector': {
      entry: ['test/*.ts'],
      project: ['*.ts', 'test/*.ts'],
    },
  },
};

export default config;
