// node draco.js > square.drc, with npm's draco3dgltf (Google's encoder) beside it: a grid of 9 × 9 places, 128 triangles,
// with its coordinates as attribute 1.
const draco = require("draco3dgltf");

(async () => {
    const module_ = await draco.createEncoderModule();
    const [encoder, builder, mesh] = [new module_.Encoder(), new module_.MeshBuilder(), new module_.Mesh()];
    const [faces, places, coordinates] = [[], [], []];
    for (let at = 0; at < 81; at++) {
        places.push(at % 9, Math.floor(at / 9), (at * 7) % 5);
        coordinates.push((at % 9) / 8, Math.floor(at / 9) / 8);
    }
    for (let at = 0; at < 64; at++) {
        const corner = Math.floor(at / 8) * 9 + (at % 8);
        faces.push(corner, corner + 1, corner + 9, corner + 1, corner + 10, corner + 9);
    }
    builder.AddFacesToMesh(mesh, faces.length / 3, new Uint32Array(faces));
    builder.AddFloatAttributeToMesh(mesh, module_.POSITION, 81, 3, new Float32Array(places));
    builder.AddFloatAttributeToMesh(mesh, module_.TEX_COORD, 81, 2, new Float32Array(coordinates));
    encoder.SetEncodingMethod(module_.MESH_EDGEBREAKER_ENCODING);
    encoder.SetAttributeQuantization(module_.POSITION, 14);
    encoder.SetAttributeQuantization(module_.TEX_COORD, 12);
    const out = new module_.DracoInt8Array();
    const length = encoder.EncodeMeshToDracoBuffer(mesh, out);
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at++) bytes[at] = out.GetValue(at) & 0xff;
    process.stdout.write(bytes);
})();
