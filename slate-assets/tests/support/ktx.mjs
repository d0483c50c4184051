// node ktx.mjs MODULE FOLDER: what ktx-parse makes of each .ktx2 in the folder, as JSON; an error where it refuses one.
import fs from "fs";
import path from "path";
const [module_, folder] = process.argv.slice(2);
const { read } = await import(path.join(module_, "dist/index.mjs"));
const found = {};
for (const name of fs.readdirSync(folder).filter((name) => name.endsWith(".ktx2"))) {
    try {
        const file = read(new Uint8Array(fs.readFileSync(path.join(folder, name))));
        const { vkFormat, typeSize, pixelWidth, pixelHeight, pixelDepth, layerCount, faceCount, supercompressionScheme } = file;
        found[name] = {
            numbers: [vkFormat, typeSize, pixelWidth, pixelHeight, pixelDepth, layerCount, faceCount, supercompressionScheme],
            levels: file.levels.map((level) => [level.levelData.byteLength, level.uncompressedByteLength]),
            keys: Object.keys(file.keyValue),
            blocks: file.dataFormatDescriptor[0].texelBlockDimension,
        };
    } catch (error) {
        found[name] = { error: `${error}` };
    }
}
console.log(JSON.stringify(found));
