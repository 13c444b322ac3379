export { postgresSink as default } from './sink.ts';
