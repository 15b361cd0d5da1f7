//! Visualizations of a network as figures and files.

#[path = "../../../tests/common/mod.rs"]
mod common;

use ror::model::{Net, RorConfig};
use ror::tch::Device;

#[test]
fn visualize_draws_every_layer_and_every_filter() {
    common::place();
    let faces = ror::data::Faces::synthetic(20, 0).unwrap();
    let net = Net::new(RorConfig::small(1), Device::Cpu, 0).unwrap();
    let seen = lab::activations(&net, &faces.picture(3).unwrap()).unwrap();
    let layers: Vec<String> =
        net.summary().unwrap().layers().map(|layer| layer.0.to_owned()).collect();
    assert_eq!(seen.iter().map(|a| a.layer.clone()).collect::<Vec<_>>(), layers);
    assert_eq!(seen[0].channels.size(), [32, 32, 32]);

    let folder = tempfile::tempdir().unwrap();
    let face = folder.path().join("face.jpg");
    std::fs::write(&face, faces.bytes(3).unwrap()).unwrap();
    let paths = lab::save_activations(&net, &face, &folder.path().join("layers")).unwrap();
    assert_eq!(paths.len(), layers.len());
    for path in &paths {
        let drawn = ror::data::decode(&std::fs::read(path).unwrap()).unwrap();
        let dark = drawn.pixels().filter(|p| p.0[0] < 100).count();
        assert!(drawn.width() > 100 && dark > 30, "{} is empty", path.display());
    }

    let figure = lab::filter_patterns(&net, "groups.0.blocks.0.conv2").unwrap();
    assert!(figure.svg().contains("16 filters of groups.0.blocks.0.conv2"));
    let unknown = lab::filter_patterns(&net, "groups.9").unwrap_err().to_string();
    assert!(unknown.contains("groups.9") && unknown.contains("stem, pool"), "{unknown}");
}
