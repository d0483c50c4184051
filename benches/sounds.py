# Music by a generator of chords and rhythms (as MIDI), played by a free sound font; deterministic.
#   sounds.py DIR          the sounds that encoders were tuned on
#   sounds.py DIR other    others: other instruments, tunes, voices, texts, noises, and the recorded words of Debian's alsa-utils,
#                          where /usr/share/sounds/alsa has them (or the folder named as a third word). Nothing is tuned on these
import random, struct, subprocess, sys, os
out=sys.argv[1]; os.makedirs(out,exist_ok=True)
other=len(sys.argv)>2 and sys.argv[2]=='other'
def vlq(n):
    b=[n&127]; n>>=7
    while n: b.append((n&127)|128); n>>=7
    return bytes(reversed(b))
def midi(events,tempo):
    ev=sorted(events,key=lambda e:(e[0],e[1]))
    t=0; d=b'\0\xff\x51\x03'+struct.pack('>I',60000000//tempo)[1:]
    for at,_,data in ev:
        d+=vlq(at-t)+data; t=at
    d+=b'\0\xff\x2f\0'
    return b'MThd'+struct.pack('>IHHH',6,0,1,480)+b'MTrk'+struct.pack('>I',len(d))+d
def note(ev,ch,key,at,dur,vel):
    ev.append((at,1,bytes([0x90|ch,key,vel]))); ev.append((at+dur,0,bytes([0x80|ch,key,0])))
styles={
 'piano':([0],0), 'strings':([48,49,42],0), 'rock':([29,33,30],1), 'pop':([4,33,81],1), 'guitar':([24,25],0),
 'choir':([52,53],0), 'brass':([61,57,32],1), 'harpsi':([6,40],0), 'glock':([9,11,14],0), 'techno':([38,81,90],2),
 'drums':([],1), 'organ':([19,73],0)}
if other: styles={
 'epiano':([4,5],0), 'vibes':([11,12,13],0), 'metal':([30,31,34],1), 'disco':([62,39,17],2), 'flutes':([73,75,79],0),
 'sax':([65,66,32],1), 'accordion':([21,22],0), 'harp':([46,108],0), 'sitar':([104,105,106],1), 'pads':([89,91,94],0)}
for i,(name,(progs,drums)) in enumerate(styles.items()):
  for take in range(2):
    r=random.Random(i*10+take+(5000 if other else 0)); ev=[]; tempo=r.randint(80,140)
    for c,p in enumerate(progs):
        ev.append((0,0,bytes([0xC0|c,p]))); ev.append((0,0,bytes([0xB0|c,10,r.randint(20,108)])))
    root=r.randint(45,57); scale=[0,2,4,5,7,9,11] if r.random()<.6 else [0,2,3,5,7,8,10]
    deg=lambda d:root+scale[d%7]+12*(d//7)
    bars=8
    for bar in range(bars):
        t0=bar*1920; ch=r.choice([0,3,4,5,1])
        for c,p in enumerate(progs):
            kind=(c+take)%3
            if kind==0:
                for d in (0,2,4): note(ev,c,min(100,deg(ch+d)),t0,1800,r.randint(60,100))
            elif kind==1:
                for s in range(8):
                    if r.random()<.8: note(ev,c,min(100,deg(ch+r.choice([0,2,4,7,9]))),t0+s*240,220,r.randint(60,110))
            else:
                for s in range(4): note(ev,c,max(28,deg(ch)-24),t0+s*480,400,r.randint(70,110))
        if drums:
            for s in range(16):
                if s%4==0 and (drums==2 or s%8==0): note(ev,9,36,t0+s*120,100,110)
                if s%8==4: note(ev,9,38,t0+s*120,100,105)
                if s%2==0 or r.random()<.3: note(ev,9,r.choice([42,42,46]),t0+s*120,60,r.randint(50,100))
                if r.random()<.06: note(ev,9,r.choice([45,47,50,49,76,75]),t0+s*120,100,100)
    mid=f'{out}/{name}{take}.mid'; open(mid,'wb').write(midi(ev,tempo))
    wav=f'{out}/{name}{take}.wav'
    subprocess.run(['fluidsynth','-q','-ni','-g','0.7','-r','48000','-F',wav+'.raw.wav','-T','wav','-O','s16','/usr/share/sounds/sf2/FluidR3_GM.sf2',mid],check=True,stdout=subprocess.DEVNULL)
    subprocess.run(['sox',wav+'.raw.wav','-b','16',wav,'trim','0.5','10','norm','-1'],check=True); os.remove(wav+'.raw.wav'); os.remove(mid)
text=["The quick brown fox jumps over the lazy dog, while seventeen ships sail silently across the sea.","Game over. Press any key to continue; your princess is in another castle.","Warning: shields at ten percent. She sells sea shells by the sea shore."]
if other:
    text=["A large dragon sleeps below the mountain; tread softly, or bring a bigger sword.","Loading level seven. Save your progress before you leave the village.","Forty-two thousand photons, six small spaceships, and one very zealous zookeeper."]
voices=[('fr+m2',"Attention, le pont s'effondre dans dix secondes. "+text[0]),('en-gb-scotland',text[1]),('es+f4',"Necesitas más oro para construir esto. "+text[2]),('en-us+m7',text[2]),('it+f1',"La porta è chiusa a chiave. "+text[0])]
for i,(v,t) in enumerate(voices if other else [('en-us',text[0]),('en-gb+f3',text[1]),('de+m3',"Achtung, der Zug fährt in wenigen Minuten ab. "+text[2]),('en-us+f2',text[2])]):
    subprocess.run(['espeak-ng','-v',v,'-w',f'{out}/s.wav',t+' '+t],check=True)
    subprocess.run(['sox',f'{out}/s.wav','-r','48000','-c','2','-b','16',f'{out}/speech{i}.wav','norm','-3'],check=True); os.remove(f'{out}/s.wav')
noises={'noise0':['synth','4','pinknoise','pinknoise','vol','0.5'],'noise1':['synth','4','whitenoise','whitenoise','vol','0.25'],'sweep0':['synth','6','sine','20-20000','sine','20-20000','vol','0.7'],'tones1':['synth','5','pluck','E2','pluck','B2','vol','0.7'],'fx0':['synth','4','square','200-1200','square','220-1180','vol','0.4','tremolo','9','80'],'fx1':['synth','4','brownnoise','brownnoise','fade','l','0.01','4','3.9','repeat','1']}
if other: noises={'rain':['synth','5','brownnoise','pinknoise','vol','0.4','tremolo','0.7','60'],'hiss':['synth','4','whitenoise','whitenoise','highpass','3000','vol','0.2'],'engine':['synth','5','sawtooth','40-90','sawtooth','41-91','lowpass','900','vol','0.5'],'bells':['synth','6','pluck','A5','pluck','E6','reverb','60','vol','0.5'],'laser':['synth','3','triangle','3000-200','triangle','2900-190','fade','l','0.001','3','1','repeat','1','vol','0.5'],'chord':['synth','5','sine','261.6','sine','329.6','synth','5','sine','mix','392','sine','mix','523.2','vol','0.4']}
for n,args in noises.items():
    subprocess.run(['sox','-R','-n','-r','48000','-b','16','-c','2',f'{out}/{n}.wav']+args,check=True)
words=sys.argv[3] if len(sys.argv)>3 else '/usr/share/sounds/alsa'
if other and os.path.isdir(words):
    for i,n in enumerate(sorted(f for f in os.listdir(words) if f.endswith('.wav'))[:9]):
        subprocess.run(['sox',f'{words}/{n}','-r','48000','-c','2','-b','16',f'{out}/words{i}.wav','norm','-3','pad','0','0.2'],check=True)
