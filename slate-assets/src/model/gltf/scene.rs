use super::{
    list,
    path::{corrupt, index},
};
use serde_json::Value;
use slate_core::{Error, Result, asset::AssetLimits};

/// Nodes below one another; engines walk them by recursion.
const DEPTH: u32 = 1024;

/// Checks that the nodes are trees: one parent each, no circle, not too deep. Indices were checked before.
pub(super) fn check(json: &Value, limits: &AssetLimits) -> Result<()> {
    let nodes = list(json, "nodes");
    AssetLimits::check("the model's number of nodes", nodes.len() as u64, limits.nodes)?;
    let mut parents = vec![None; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for child in list(node, "children").iter().filter_map(index) {
            match parents.get_mut(child) {
                Some(parent @ None) => *parent = Some(at),
                _ => {
                    return Err(
                        corrupt("a node has two parents", &format!("nodes[{at}].children")).with("child", child)
                    );
                }
            }
        }
    }
    // From the roots down; with one parent each, what is not reached is a circle.
    let mut reached = 0;
    let mut open: Vec<(usize, u32)> = (0..nodes.len()).filter(|&at| parents[at].is_none()).map(|at| (at, 1)).collect();
    while let Some((at, depth)) = open.pop() {
        reached += 1;
        if depth > DEPTH {
            return Err(Error::limit_exceeded("the model's nodes are too deep").with("limit", DEPTH));
        }
        open.extend(list(&nodes[at], "children").iter().filter_map(index).map(|child| (child, depth + 1)));
    }
    if reached < nodes.len() {
        return Err(corrupt("nodes are below one another in a circle", "nodes"));
    }
    for (at, scene) in list(json, "scenes").iter().enumerate() {
        if list(scene, "nodes").iter().filter_map(index).any(|node| parents.get(node).is_some_and(Option::is_some)) {
            return Err(corrupt("a scene's node is below another node", &format!("scenes[{at}].nodes")));
        }
    }
    Ok(())
}
