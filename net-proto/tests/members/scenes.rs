//! What must hold, for many seeds: how soon all know of who comes and goes, that nobody is called gone who is not, and that in the end all
//! know the same.

use crate::world::{NEAR, SECOND, World};

#[test]
fn basic() {
    for seed in 0..20 {
        let mut world = World::new(seed, NEAR);
        world.start_all(50);
        let t = world.run_until(10 * SECOND, |w| w.listed == 50 * 49);
        println!("{seed}: {t} {} wrong {}", world.now, world.wrong());
        world.run(10 * SECOND);
        let mean = world.links().sum::<usize>() as f64 / 50.0;
        println!(
            "links {mean} max {:?} false {}",
            world.links().max(),
            world.false_left
        );
    }
}
