// Runs the server audits of graphql-http against a URL: node audit_suite.mjs <package folder> <url> <token>.
// Prints one JSON list of {id, name, status, reason}.
import { createRequire } from 'node:module';

const [folder, url, token] = process.argv.slice(2);
const { serverAudits } = createRequire(`${folder}/package.json`)('graphql-http');

const fetchFn = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...(init.headers ?? {}), authorization: `Bearer ${token}` } });

const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason } = await audit.fn();
  results.push({ id, name, status, reason });
}
process.stdout.write(JSON.stringify(results));
