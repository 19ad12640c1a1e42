// A TUF client made of tuf-js: client.mjs URL ROOT STATE TARGET... updates from URL and downloads each TARGET that has
// bytes; prints {TARGET: {length, sha256, custom, file}}. It lies beside its node_modules.
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Updater } from "tuf-js";

const [url, root, state, ...names] = process.argv.slice(2);
const metadataDir = join(state, "metadata");
const targetDir = join(state, "targets");

async function update() {
  for (const folder of [metadataDir, targetDir]) mkdirSync(folder, { recursive: true });
  if (!existsSync(join(metadataDir, "root.json"))) copyFileSync(root, join(metadataDir, "root.json"));
  const client = new Updater({
    metadataDir,
    metadataBaseUrl: `${url}/metadata`,
    targetDir,
    targetBaseUrl: `${url}/targets`,
    config: { fetchRetries: 0 },
  });
  await client.refresh();
  const found = {};
  for (const name of names) {
    const info = await client.getTargetInfo(name);
    if (!info) throw new Error(`${name} is not among the targets`);
    found[name] = {
      length: info.length,
      sha256: info.hashes.sha256,
      custom: info.custom,
      file: info.length ? await client.downloadTarget(info) : null,
    };
  }
  return found;
}

try {
  console.log(JSON.stringify(await update()));
} catch (error) {
  console.error(`${error.constructor.name}: ${error.message}`);
  process.exitCode = 1;
}
