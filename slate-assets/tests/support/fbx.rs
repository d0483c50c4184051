//! An FBX file by hand.

/// A square of one metre, told in centimetres: bent by a bone, swollen by a blend shape, moved by an animation.
pub(crate) fn square() -> String {
    let axis = |name: &str, value: i32| format!("P: \"{name}\", \"int\", \"Integer\", \"\",{value}\n");
    let axes: String = [
        ("UpAxis", 1),
        ("UpAxisSign", 1),
        ("FrontAxis", 2),
        ("FrontAxisSign", 1),
        ("CoordAxis", 0),
        ("CoordAxisSign", 1),
    ]
    .map(|(name, value)| axis(name, value))
    .concat();
    let identity = "*16 { a: 1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1 }";
    format!(
        r#"; FBX 7.4.0 project file
FBXHeaderExtension:  {{
	FBXHeaderVersion: 1003
	FBXVersion: 7400
}}
GlobalSettings:  {{
	Version: 1000
	Properties70:  {{
		{axes}P: "UnitScaleFactor", "double", "Number", "",1
	}}
}}
Objects:  {{
	Geometry: 100, "Geometry::square", "Mesh" {{
		Vertices: *12 {{ a: 0,0,0,100,0,0,100,100,0,0,100,0 }}
		PolygonVertexIndex: *4 {{ a: 0,1,2,-4 }}
		GeometryVersion: 124
		LayerElementNormal: 0 {{
			Version: 101
			Name: ""
			MappingInformationType: "ByPolygonVertex"
			ReferenceInformationType: "Direct"
			Normals: *12 {{ a: 0,0,1,0,0,1,0,0,1,0,0,1 }}
		}}
		LayerElementMaterial: 0 {{
			Version: 101
			Name: ""
			MappingInformationType: "AllSame"
			ReferenceInformationType: "IndexToDirect"
			Materials: *1 {{ a: 0 }}
		}}
		Layer: 0 {{
			Version: 100
			LayerElement:  {{
				Type: "LayerElementNormal"
				TypedIndex: 0
			}}
			LayerElement:  {{
				Type: "LayerElementMaterial"
				TypedIndex: 0
			}}
		}}
	}}
	Geometry: 101, "Geometry::swell", "Shape" {{
		Version: 100
		Indexes: *1 {{ a: 2 }}
		Vertices: *3 {{ a: 0,0,50 }}
	}}
	Model: 200, "Model::square", "Mesh" {{
		Version: 232
		Properties70:  {{
			P: "Lcl Translation", "Lcl Translation", "", "A",100,200,300
		}}
	}}
	Model: 201, "Model::bone", "LimbNode" {{
		Version: 232
	}}
	NodeAttribute: 202, "NodeAttribute::bone", "LimbNode" {{
		TypeFlags: "Skeleton"
	}}
	Material: 300, "Material::red", "" {{
		Version: 102
		ShadingModel: "phong"
		Properties70:  {{
			P: "DiffuseColor", "Color", "", "A",1,0.5,0
			P: "Opacity", "double", "Number", "",0.5
		}}
	}}
	Deformer: 400, "Deformer::", "Skin" {{
		Version: 101
	}}
	Deformer: 401, "SubDeformer::", "Cluster" {{
		Version: 100
		Indexes: *2 {{ a: 0,1 }}
		Weights: *2 {{ a: 1,0.5 }}
		Transform: {identity}
		TransformLink: {identity}
	}}
	Deformer: 402, "Deformer::", "BlendShape" {{
		Version: 100
	}}
	Deformer: 403, "SubDeformer::swell", "BlendShapeChannel" {{
		Version: 100
		DeformPercent: 25
		FullWeights: *1 {{ a: 100 }}
	}}
	AnimationStack: 500, "AnimStack::walk", "" {{
		Properties70:  {{
			P: "LocalStop", "KTime", "Time", "",46186158000
		}}
	}}
	AnimationLayer: 501, "AnimLayer::base", "" {{
	}}
	AnimationCurveNode: 502, "AnimCurveNode::T", "" {{
		Properties70:  {{
			P: "d|X", "Number", "", "A",100
			P: "d|Y", "Number", "", "A",200
			P: "d|Z", "Number", "", "A",300
		}}
	}}
	AnimationCurve: 503, "AnimCurve::", "" {{
		Default: 100
		KeyVer: 4008
		KeyTime: *2 {{ a: 0,46186158000 }}
		KeyValueFloat: *2 {{ a: 100,400 }}
		KeyAttrFlags: *1 {{ a: 4 }}
		KeyAttrDataFloat: *4 {{ a: 0,0,0,0 }}
		KeyAttrRefCount: *1 {{ a: 2 }}
	}}
}}
Connections:  {{
	C: "OO",200,0
	C: "OO",201,0
	C: "OO",202,201
	C: "OO",100,200
	C: "OO",300,200
	C: "OO",400,100
	C: "OO",401,400
	C: "OO",201,401
	C: "OO",402,100
	C: "OO",403,402
	C: "OO",101,403
	C: "OO",501,500
	C: "OO",502,501
	C: "OP",502,200, "Lcl Translation"
	C: "OP",503,502, "d|X"
}}
"#
    )
}
