// A real OpenID provider (oidc-provider) for tests, on a port from the kernel, which is the first line printed.
//
// Every client of CLIENTS (name=group,group;...) gets JWT access tokens by its name and the secret "secret" from POST
// /token. POST /test/rotate takes new keys (?keep=1: beside the old ones), POST /test/down?is=1 answers everything else
// with 503, GET /test/hits counts requests for keys.
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

let keys = await newKeys();
let handler;
let isDown = false;
let hits = 0;
const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x');
  if (url.pathname === '/test/rotate') {
    const old = url.searchParams.get('keep') ? keys : [];
    keys = [...(await newKeys()), ...old];
    handler = handlerOf(issuer, keys);
    return response.end('rotated\n');
  }
  if (url.pathname === '/test/down') {
    isDown = url.searchParams.get('is') === '1';
    return response.end('as you say\n');
  }
  if (url.pathname === '/test/hits') return response.end(String(hits));
  if (isDown) return response.writeHead(503).end('down\n');
  if (url.pathname === '/jwks') hits += 1;
  return handler(request, response);
});
let issuer;
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  handler = handlerOf(issuer, keys);
  console.log(issuer);
});
