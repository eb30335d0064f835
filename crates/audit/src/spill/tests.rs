use super::*;
use crate::block;
use crate::event::What;
use crate::line::Written;
use crate::signer::Signer;
use crate::testing::{sealer, somebody};
use uuid::Uuid;

#[test]
fn a_line_that_broke_off_is_left_out_and_written_over() {
    let (world, _) = testkit::world();
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::generate().unwrap();
    let event = Written::new(world.new_id(), world.now(), &What::Stopped, &somebody("ana"));
    let block = block::write(&world, &signer, Uuid::nil(), None, |_| 0, &[event]).unwrap();
    let open = || Spill::open(folder.path(), sealer(&world), ROOM).unwrap();
    let mut spill = open();
    assert!(spill.is_empty());
    assert!(spill.add(&block).unwrap() && spill.add(&block).unwrap());
    let path = folder.path().join(FILE);
    let whole = std::fs::metadata(&path).unwrap().len();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(whole - 10)
        .unwrap();

    let mut spill = open();
    let (first, end) = spill.next().unwrap().unwrap();
    assert_eq!(first, Some(block.clone()));
    spill.done(end).unwrap();
    let (second, end) = spill.next().unwrap().unwrap();
    assert_eq!(second, None);
    spill.done(end).unwrap();
    assert!(spill.is_empty() && !path.exists());
    assert!(spill.add(&block).unwrap());
    assert_eq!(open().next().unwrap().unwrap().0, Some(block));
}
