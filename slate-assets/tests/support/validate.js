// node validate.js MODULE FOLDER: the errors of each .glb and .gltf below the folder, as JSON.
const fs = require("fs"), path = require("path");
const [module_, folder] = process.argv.slice(2);
const validator = require(module_);

function models(folder) {
    return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const at = path.join(folder, entry.name);
        return entry.isDirectory() ? models(at) : /\.(glb|gltf)$/.test(entry.name) ? [at] : [];
    });
}

(async () => {
    const verdicts = {};
    for (const file of models(folder)) {
        const bytes = new Uint8Array(fs.readFileSync(file));
        const report = await validator.validateBytes(bytes, {
            uri: path.basename(file),
            maxIssues: 100,
            externalResourceFunction: async (uri) =>
                new Uint8Array(fs.readFileSync(path.join(path.dirname(file), decodeURIComponent(uri)))),
        }).catch((error) => ({ issues: { messages: [{ severity: 0, code: "UNREADABLE", pointer: "/", message: `${error}` }] } }));
        verdicts[path.relative(folder, file)] = report.issues.messages
            .filter((message) => message.severity === 0)
            .map((message) => `${message.code} at ${message.pointer}: ${message.message}`);
    }
    console.log(JSON.stringify(verdicts));
})();
