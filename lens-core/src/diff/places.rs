//! Where two models are compared: that they are alike enough, and the points that both have.

use super::{error::DiffError, side::Side};
use crate::{
    backend::ModelInfo,
    lens::Plan,
    point::{Component, Point, PointSet, Site},
    selection::{ComponentSelection, Selection},
};

/// The points of a comparison.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Those that are compared, in order of execution.
    pub(super) points: PointSet,
    /// Those whose component is also run on A's inputs.
    pub(super) own: PointSet,
    /// The inputs of blocks and of their MLPs that B is given then.
    pub(super) inputs: PointSet,
    /// What is captured of each model.
    pub(super) captured: PointSet,
    /// What is captured of B on A's inputs.
    pub(super) guided: PointSet,
    /// What has to be known, as sentences.
    pub(super) notes: Vec<String>,
}

impl Places {
    pub(super) fn new(
        infos: [&ModelInfo; 2],
        layers: &Selection,
        components: &ComponentSelection,
    ) -> Result<Self, DiffError> {
        let differences = differences(infos);
        if !differences.is_empty() {
            return Err(DiffError::Unlike { differences });
        }
        let plan = Plan::default().with_layers(layers.clone()).with_components(components.clone());
        let of = |side: Side, info: &ModelInfo| {
            let named = |source| DiffError::Selection { side, model: info.id.clone(), source };
            plan.points(info).map_err(named)
        };
        let [a, b] = [of(Side::A, infos[0])?, of(Side::B, infos[1])?];
        let points: PointSet = a.as_slice().iter().copied().filter(|point| b.contains(*point)).collect();
        let mut notes = plan.notes(infos[0]).unwrap_or_default();
        for (side, own, other) in [("A", &a, &b), ("B", &b, &a)] {
            let alone: Vec<String> = own
                .as_slice()
                .iter()
                .filter(|point| !other.contains(**point))
                .map(ToString::to_string)
                .collect();
            if !alone.is_empty() {
                notes.push(format!("only model {side} has {}: not compared", alone.join(", ")));
            }
        }
        let [rows_a, rows_b] = infos.map(|info| info.n_vocab);
        if rows_a != rows_b {
            notes.push(format!(
                "the vocabularies have {rows_a} and {rows_b} rows: distributions are those over the {} that both have",
                rows_a.min(rows_b)
            ));
        }
        let both_have = |point: Point| infos.iter().all(|info| info.has(point));
        let is_own = |point: &Point| match *point {
            Point::Embed => false,
            Point::Block { site: Site::AttnOut | Site::MlpOut | Site::Head(_), .. } => true,
            // A block whose branches are no summands is one component; so is what comes after the middle of a block that
            // scales the whole stream at its end. A block that is a mixer alone has no middle.
            Point::Block { layer, site: Site::ResidPost } => {
                let has = |site| both_have(Point::block(layer, site));
                !has(Site::MlpOut) && (has(Site::ResidMid) || !has(Site::AttnOut))
            }
            Point::Block { .. } => false,
        };
        let own: PointSet = points.as_slice().iter().copied().filter(is_own).collect();
        let inputs: PointSet = own
            .as_slice()
            .iter()
            .filter_map(|point| point.layer())
            .flat_map(|layer| [Site::ResidPre, Site::ResidMid].map(|site| Point::block(layer, site)))
            .filter(|point| both_have(*point))
            .collect();
        let last = Point::last(infos[0].n_layers);
        let captured: PointSet =
            points.as_slice().iter().map(|point| captured_at(*point)).chain([last]).collect();
        let guided: PointSet = own.as_slice().iter().map(|point| captured_at(*point)).collect();
        Ok(Self { points, own, inputs, captured, guided, notes })
    }

    /// What is captured of A: what is compared, and what B is given.
    pub(super) fn captured_of_a(&self) -> PointSet {
        self.captured.as_slice().iter().chain(self.inputs.as_slice()).copied().collect()
    }
}

/// Where the vectors of a point are captured: heads are made of `z`.
pub(super) fn captured_at(point: Point) -> Point {
    point.head().map_or(point, |(layer, _)| Point::block(layer, Site::Z))
}

/// Whether a point is made of the tokens alone: all of its difference begins there.
pub(super) fn begins(point: Point) -> bool {
    point.component() == Component::Embed
}

/// What keeps two models from being compared point by point.
fn differences([a, b]: [&ModelInfo; 2]) -> Vec<String> {
    let mut found = Vec::new();
    if a.n_layers != b.n_layers {
        found.push(format!("A has {} blocks, B has {}", a.n_layers, b.n_layers));
    }
    if a.d_model != b.d_model {
        found.push(format!("A's stream is {} wide, B's is {}", a.d_model, b.d_model));
    }
    if a.parallel_blocks != b.parallel_blocks {
        let which = if a.parallel_blocks { "A" } else { "B" };
        found.push(format!("attention and MLP stand side by side in {which} alone"));
    }
    let mixers = a.mixers.iter().zip(&b.mixers).enumerate().find(|(_, (a, b))| a != b);
    if let Some((layer, (a, b))) = mixers {
        found.push(format!("block {layer} has {} in A and {} in B", a.name(), b.name()));
    }
    let heads = (0..a.n_layers.min(b.n_layers)).find(|layer| a.heads_of(*layer).n != b.heads_of(*layer).n);
    if let (Some(layer), true) = (heads, mixers.is_none()) {
        let [a, b] = [a, b].map(|info| info.heads_of(layer).n);
        found.push(format!("block {layer} has {a} heads in A and {b} in B"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backend::HeadsInfo, dtype::Dtype, mixer::MixerKind};

    fn info() -> ModelInfo {
        ModelInfo::new("m", "toy", 3, 16, 50, Dtype::F32).with_heads(vec![HeadsInfo::new(2, false); 3])
    }

    fn places(b: &ModelInfo, layers: &str, components: &str) -> Result<Places, DiffError> {
        Places::new([&info(), b], &layers.parse().unwrap(), &components.parse().unwrap())
    }

    #[test]
    fn what_differs_is_named() {
        let mut b = info();
        (b.n_layers, b.d_model) = (4, 32);
        b.mixers = vec![MixerKind::Attention; 4];
        b.heads = vec![HeadsInfo::new(4, false); 4];
        let error = places(&b, "all", "all").unwrap_err().to_string();
        for part in ["A has 3 blocks, B has 4", "16 wide, B's is 32", "block 0 has 2 heads in A and 4 in B"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let parallel = info().with_parallel_blocks(true);
        let error = places(&parallel, "all", "all").unwrap_err().to_string();
        assert!(error.contains("side by side in B alone"), "{error}");
        let mut mixed = info();
        mixed.mixers[1] = MixerKind::Mamba;
        let error = places(&mixed, "all", "all").unwrap_err().to_string();
        assert!(error.contains("block 1 has attention in A"), "{error}");
    }

    #[test]
    fn a_larger_vocabulary_is_a_note_and_no_error() {
        let mut b = info();
        b.n_vocab = 64;
        let notes = places(&b, "all", "all").unwrap().notes;
        assert!(
            notes[0].contains("50 and 64 rows") && notes[0].contains("the 50 that both have"),
            "{notes:?}"
        );
        assert!(places(&info(), "all", "all").unwrap().notes.is_empty());
    }

    #[test]
    fn components_are_run_on_inputs_and_sums_are_not() {
        let names = |set: &PointSet| set.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>();
        let all = places(&info(), "1", "all,heads").unwrap();
        assert_eq!(names(&all.own), ["L1.head.0", "L1.head.1", "L1.attn_out", "L1.mlp_out"]);
        assert_eq!(names(&all.inputs), ["L1.resid_pre", "L1.resid_mid"]);
        assert_eq!(names(&all.guided), ["L1.z", "L1.attn_out", "L1.mlp_out"]);
        assert!(names(&all.captured).ends_with(&["L2.resid_post".to_owned()]));
        assert!(places(&info(), "all", "resid_post").unwrap().own.is_empty());
        // Where branches are not summands, the block is.
        let absent: PointSet = (0..3)
            .flat_map(|layer| [Site::AttnOut, Site::ResidMid, Site::MlpOut].map(|s| Point::block(layer, s)))
            .collect();
        let (a, b) = (info().with_absent(absent.clone()), info().with_absent(absent));
        let whole = Places::new([&a, &b], &Selection::all(), &ComponentSelection::all()).unwrap();
        assert_eq!(names(&whole.own), ["L0.resid_post", "L1.resid_post", "L2.resid_post"]);
        assert_eq!(names(&whole.inputs), ["L0.resid_pre", "L1.resid_pre", "L2.resid_pre"]);
    }
}
