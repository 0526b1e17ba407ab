//! The simulated disk loses what it should, and nothing else.

use super::*;

fn write(file: &Arc<dyn File>, offset: u64, bytes: &[u8]) {
    file.write_at(offset, &[IoSlice::new(bytes)]).unwrap();
}

#[test]
fn only_synced_bytes_and_names_are_sure_to_survive() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let file = disk.create("a").unwrap();
        write(&file, 0, &[1; 1024]);
        file.sync_data().unwrap();
        disk.sync_dir("").unwrap();
        write(&file, 512, &[2; 512]);
        disk.create("b").unwrap();
        disk.restart();
        let content = disk.content("a").unwrap();
        assert_eq!(content[..512], [1; 512]);
        assert!(content[512..] == [1; 512] || content[512..] == [2; 512]);
        if content[512] == 1 {
            lost += 1
        } else {
            kept += 1
        }
        assert!(file.len().is_err(), "handles die with the power");
    }
    assert!(lost > 5 && kept > 5, "both outcomes occur: {lost} lost, {kept} kept");
}

#[test]
fn a_failed_sync_drops_the_pages_for_good() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    write(&file, 0, &[1; 512]);
    file.sync_data().unwrap();
    disk.sync_dir("").unwrap();
    write(&file, 0, &[2; 512]);
    disk.fail(Operation::Sync, 0, io::ErrorKind::Other);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    disk.restart();
    assert_eq!(disk.content("a").unwrap(), [1; 512]);
}

#[test]
fn power_goes_off_at_the_counted_change() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    disk.cut_power_after(1);
    write(&file, 0, b"x");
    assert!(file.sync_data().is_err());
    assert!(disk.is_powered_off());
    assert!(disk.open("a").is_err());
    disk.restart();
    assert!(!disk.is_powered_off());
}
