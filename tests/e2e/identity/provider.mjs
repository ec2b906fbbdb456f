// A real OpenID provider (oidc-provider) for tests, on a port from the kernel, which is the first line printed.
//
// Every client of CLIENTS (name=group,group;...) gets JWT access tokens by its name and the secret "secret" from POST
// /token. /test/rotate takes new keys (?keep=1: beside the old ones). /test/behave?as=WAY&at=PATH answers requests for
// that path in one of WAYS, or well again; those that wait for an answer then are cut off. /test/counts counts requests
// for its discovery document and its keys, those that wait for an answer, and those that followed a redirect.
import http from 'node:http';
import { Provider } from 'oidc-provider';
import { exportJWK, generateKeyPair } from 'jose';

const AUDIENCE = 'spark-gateway';
const clients = new Map(process.env.CLIENTS.split(';').map((one) => {
  const [name, groups] = one.split('=');
  return [name, groups.split(',')];
}));
let number = 0;

async function newKeys() {
  number += 1;
  const keys = [];
  for (const alg of ['RS256', 'ES256']) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    keys.push({ ...(await exportJWK(privateKey)), alg, use: 'sig', kid: `${alg}-${number}` });
  }
  return keys;
}

function handlerOf(issuer, keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [...clients.keys()].map((name) => ({
      client_id: name, client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `urn:${AUDIENCE}`,
        useGrantedResource: () => true,
        getResourceServerInfo: (context) => ({
          scope: 'spark', audience: AUDIENCE, accessTokenFormat: 'jwt',
          accessTokenTTL: Number(new URLSearchParams(context.querystring).get('ttl') ?? 600),
          jwt: { sign: { alg: context.querystring.includes('alg=RS256') ? 'RS256' : 'ES256' } },
        }),
      },
    },
    extraTokenClaims: (_, token) => ({ groups: clients.get(token.clientId) }),
  });
  return provider.callback();
}

const counts = { asked: 0, keys: 0, followed: 0 };
const waiting = new Set();
const PATHS = ['/.well-known/openid-configuration', '/jwks'];
const WAYS = {
  down: (response) => response.writeHead(503).end('down\n'),
  silent: (response) => {
    waiting.add(response);
    response.on('close', () => waiting.delete(response));
  },
  html: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>Sign in</body></html>'),
  empty: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":[]}'),
  // What would be good, behind 10 MiB of nothing.
  large: (response, path) => {
    response.write(' '.repeat(10 << 20));
    http.get(issuer + path + '?well', (good) => good.pipe(response));
  },
  redirect: (response, path) => response.writeHead(302, { location: `${issuer}${path}?well&followed` }).end(),
};

let keys = await newKeys();
let handler;
let way;
let where;
const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  if (url.pathname === '/test/rotate') {
    const old = url.searchParams.get('keep') ? keys : [];
    keys = [...(await newKeys()), ...old];
    handler = handlerOf(issuer, keys);
    return response.end('rotated\n');
  }
  if (url.pathname === '/test/behave') {
    way = WAYS[url.searchParams.get('as')];
    where = url.searchParams.get('at');
    for (const response of waiting) response.destroy();
    return response.end('as you say\n');
  }
  if (url.pathname === '/test/counts') return response.end(JSON.stringify({ ...counts, waiting: waiting.size }));
  if (url.searchParams.has('followed')) counts.followed += 1;
  if (PATHS.includes(url.pathname) && !url.searchParams.has('well')) {
    counts.asked += 1;
    if (way && url.pathname === where) return way(response, where);
    if (url.pathname === '/jwks') counts.keys += 1;
  }
  return handler(request, response);
});
let issuer;
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  handler = handlerOf(issuer, keys);
  console.log(issuer);
});
