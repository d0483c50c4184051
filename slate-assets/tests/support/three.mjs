// node three.mjs MODULE FOLDER: what three.js sees of each .glb, .gltf and .fbx in the folder, as it stands and in the
// middle of its first animation, as JSON; an error where it refuses one.
import fs from "fs";
import path from "path";

const [module_, folder] = process.argv.slice(2);
// What browsers have: pictures are there at once, and nobody looks at them.
globalThis.self = globalThis.window = globalThis;
globalThis.ProgressEvent = class extends Event {};
globalThis.document = {
    createElementNS: () => ({
        addEventListener(kind, act) { this[kind] = act; },
        removeEventListener() {},
        set src(_) { queueMicrotask(() => this.load?.call(this)); },
    }),
};
const part = (file) => import(path.join(module_, file));
const THREE = await part("build/three.module.js");
const { GLTFLoader } = await part("examples/jsm/loaders/GLTFLoader.js");
const { FBXLoader } = await part("examples/jsm/loaders/FBXLoader.js");
const { MeshoptDecoder } = await part("examples/jsm/libs/meshopt_decoder.module.js");

async function load(name) {
    const bytes = fs.readFileSync(path.join(folder, name));
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    if (name.endsWith(".fbx")) {
        const scene = new FBXLoader().parse(buffer, "");
        return { scene, animations: scene.animations };
    }
    const loader = new GLTFLoader();
    loader.setMeshoptDecoder(MeshoptDecoder);
    return loader.parseAsync(buffer, "");
}

// The triangles in the world: how many, their area, its middle, how far normals agree with them, and their box.
function seen(scene) {
    scene.updateMatrixWorld(true);
    const corners = [0, 1, 2].map(() => new THREE.Vector3());
    const normals = [0, 1, 2].map(() => new THREE.Vector3());
    const [one, other] = [new THREE.Vector3(), new THREE.Vector3()];
    let [triangles, area, facing, directed] = [0, 0, 0, 0];
    const [middle, box] = [new THREE.Vector3(), new THREE.Box3()];
    scene.traverse((mesh) => {
        if (!mesh.isMesh) return;
        const { index, attributes } = mesh.geometry;
        const upright = new THREE.Matrix3().getNormalMatrix(mesh.matrixWorld);
        const count = (index ?? attributes.position).count;
        for (let at = 0; at < count; at += 3) {
            corners.forEach((corner, k) => {
                const vertex = index ? index.getX(at + k) : at + k;
                mesh.getVertexPosition(vertex, corner).applyMatrix4(mesh.matrixWorld);
                box.expandByPoint(corner);
                normals[k].setScalar(0);
                if (attributes.normal) normals[k].fromBufferAttribute(attributes.normal, vertex).applyMatrix3(upright).normalize();
            });
            const face = one.subVectors(corners[1], corners[0]).cross(other.subVectors(corners[2], corners[0]));
            const size = face.length() / 2;
            triangles += 1;
            area += size;
            corners.forEach((corner) => middle.addScaledVector(corner, size / 3));
            if (attributes.normal && size > 0) {
                directed += size;
                normals.forEach((normal) => (facing += normal.dot(face) / 6));
            }
        }
    });
    middle.divideScalar(area || 1);
    return { triangles, area, middle: middle.toArray(), facing: facing / (directed || 1), least: box.min.toArray(), most: box.max.toArray() };
}

const found = {};
for (const name of fs.readdirSync(folder).filter((name) => /\.(glb|gltf|fbx)$/.test(name))) {
    try {
        const { scene, animations } = await load(name);
        const materials = new Map();
        let [skins, shapes] = [0, 0];
        scene.traverse((object) => {
            skins += Number(object.isSkinnedMesh ?? false);
            shapes += Number((object.morphTargetInfluences?.length ?? 0) > 0);
            [object.material ?? []].flat().forEach((material) => materials.set(material.name, Boolean(material.map)));
        });
        const told = { still: seen(scene), skins, shapes, textured: [...materials].filter(([, map]) => map).map(([name]) => name).sort() };
        if (animations.length > 0) {
            const mixer = new THREE.AnimationMixer(scene);
            mixer.clipAction(animations[0]).play();
            mixer.setTime(0.98);
            told.moved = seen(scene);
            told.length = animations[0].duration;
        }
        found[name] = told;
    } catch (error) {
        found[name] = { error: `${error.stack}` };
    }
}
console.log(JSON.stringify(found));
