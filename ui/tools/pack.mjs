// Compresses one file as it will be sent, always to the same bytes.
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

export function pack(body) {
  return {
    br: brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } }),
    gz: gzipSync(body, { level: 9 }),
  };
}
