/** Requests to the service, with the API key if it requires one; a busy service gets the request again. */

import { requestKey, currentKey, clearKey } from "./api_key.js";

const ROOT = new URL("../v1/", import.meta.url); // also if a proxy serves the page below another path
const MAX_RETRIES = 5; // after 503
const DEFAULT_WAIT = 2; // seconds, if a busy service sends no Retry-After

/** An error response: `status`, `detail` in English, and the `field` that it is about. */
export class ApiError extends Error {
  constructor(status, { error = "", field = null } = {}) {
    super(error || `status ${status}`);
    this.status = status;
    this.detail = error;
    this.field = field;
  }
}

/** The service did not respond. */
export class NetworkError extends Error {}

/**
 * Send a request to the service.
 *
 * @param {string} path - below /v1, as in `predict`.
 * @param {Object} options
 * @param {Object} [options.body] - sent as JSON by POST; without it, the method is GET.
 * @param {AbortSignal} [options.signal] - aborts the request and the waits between retries.
 * @param {function(number)} [options.onWait] - called each second with the seconds until the next retry.
 * @param {number} [options.maxRetries] - after 503.
 * @returns {Promise<Object>} the body of the response.
 * @throws {ApiError} for any status but 2xx; {NetworkError} without a response; an AbortError.
 */
export async function request(path, { body, signal, onWait, maxRetries = MAX_RETRIES } = {}) {
  for (let retries = 0; ; ) {
    const key = currentKey();
    const response = await send(path, body, signal, key);
    if (response.ok) return parse(response);
    const error = new ApiError(response.status, await parse(response).catch(() => ({})));
    if (response.status === 401) {
      if (key === currentKey()) await requestOtherKey(key, error);
    } else if (response.status === 503 && retries < maxRetries) {
      retries += 1;
      await wait(retryAfter(response), signal, onWait);
    } else {
      throw error;
    }
  }
}

/** Wait, and call `onWait` each second with the seconds that are left. */
export async function wait(seconds, signal, onWait) {
  for (let left = seconds; left > 0; left -= 1) {
    onWait?.(left);
    await pause(1000 * Math.min(left, 1), signal);
  }
}

async function send(path, body, signal, key) {
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const options = { headers, signal, cache: "no-store", credentials: "same-origin" };
  if (body !== undefined) {
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
    headers["content-type"] = "application/json";
  }
  try {
    return await fetch(new URL(path, ROOT), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new NetworkError(error.message);
  }
}

async function parse(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new NetworkError(error.message);
  }
}

async function requestOtherKey(rejected, error) {
  if (rejected !== null) clearKey();
  if (!(await requestKey(rejected !== null))) throw error;
}

function retryAfter(response) {
  const seconds = Number(response.headers.get("retry-after") ?? DEFAULT_WAIT);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 60) : DEFAULT_WAIT;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
