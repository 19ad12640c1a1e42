// images_node.js DIR: what a Node script of the day does: dockerfile-ast and js-yaml.
'use strict';
const fs = require('fs');
const path = require('path');
const { DockerfileParser } = require('dockerfile-ast');
const yaml = require('js-yaml');

const found = [];

function dockerfile(file) {
  const parsed = DockerfileParser.parse(fs.readFileSync(file, 'utf8'));
  const stages = new Set();
  for (const from of parsed.getFROMs()) {
    const image = from.getImage();
    if (image && !stages.has(image.toLowerCase()) && image !== 'scratch')
      found.push({ file, line: from.getRange().start.line + 1, image });
    if (from.getBuildStage()) stages.add(from.getBuildStage().toLowerCase());
  }
  for (const copy of parsed.getCOPYs()) {
    const flag = copy.getFromFlag();
    const image = flag && flag.getValue();
    if (image && !stages.has(image.toLowerCase()) && !/^\d+$/.test(image))
      found.push({ file, line: copy.getRange().start.line + 1, image });
  }
}

function compose(file) {
  const parsed = yaml.load(fs.readFileSync(file, 'utf8'));
  for (const [service, value] of Object.entries(parsed.services || {}))
    if (value && value.image) found.push({ file, service, image: value.image });
}

function walk(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== '.git' && entry.name !== 'node_modules') walk(file);
    } else if (/^(docker-)?compose\.ya?ml$/.test(entry.name)) compose(file);
    else if (/^Dockerfile(\..*)?$/.test(entry.name)) dockerfile(file);
  }
}

walk(process.argv[2]);
process.stdout.write(JSON.stringify({ images: found }, null, 2));
